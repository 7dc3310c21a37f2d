export const FREE_AT = 4096;
