//! How much of a disk the commands of gateways and collectors leave free.

/// The reserve of every part that keeps something for a gateway: its spool, its vault in a directory, and a collector's journal.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct ReserveArgs {
    /// How much of the disk stays free: with less, nothing new is taken until there is room again
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = super::size, env = "VOUCHLOG_MIN_FREE")]
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
