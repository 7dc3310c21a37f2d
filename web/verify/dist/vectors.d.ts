/** Uses vectors, where there are any and they compute what the plain code does; whether that is so. */
export declare function useVectors(): boolean;
