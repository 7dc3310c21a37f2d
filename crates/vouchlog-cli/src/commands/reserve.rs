//! How much of a disk the commands of gateways and collectors leave free.

/// The disk reserve of a gateway's spool, a vault in a directory, and a collector's journal.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct ReserveArgs {
    /// Free disk space to keep: below it, new input is rejected until there is room again
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = crate::values::size, env = "VOUCHLOG_MIN_FREE")]
    pub(super) min_free: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    #[test]
    fn the_default_is_the_one_of_every_part() {
        let min_free = |flags: &[&str]| parsed::<ReserveArgs>(["x"].iter().chain(flags)).unwrap().min_free;
        let default = min_free(&[]);
        assert_eq!(default, vouchlog_client::limits::MIN_FREE_BYTES);
        assert_eq!(default, vouchlog_vault::limits::MIN_FREE_BYTES);
        assert_eq!(default, vouchlog_collector::Settings::default().min_free_bytes);
        assert_eq!(min_free(&["--min-free", "2GiB"]), 2 << 30);
    }
}
