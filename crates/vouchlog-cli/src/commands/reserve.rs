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
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        reserve: ReserveArgs,
    }

    #[test]
    fn the_default_is_the_one_of_every_part() {
        let default = Cli::parse_from(["x"]).reserve.min_free;
        assert_eq!(default, vouchlog_client::limits::MIN_FREE_BYTES);
        assert_eq!(default, vouchlog_vault::limits::MIN_FREE_BYTES);
        assert_eq!(default, vouchlog_collector::Settings::default().min_free_bytes);
        assert_eq!(Cli::parse_from(["x", "--min-free", "2GiB"]).reserve.min_free, 2 << 30);
    }
}
