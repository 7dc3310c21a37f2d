//! Values as people type them on a command line: moments, durations, periods and sizes.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, ToSpan};

/// Days a year counts in a period, and a month: the longest there are, so that what must be kept for a period is never given
/// up a day early.
const LONGEST_YEAR: i64 = 366;
const LONGEST_MONTH: i64 = 31;

/// One of these words, which help and errors list.
pub(crate) fn one_of<T>(words: &[&'static str]) -> impl TypedValueParser<Value = T> + use<T>
where
    T: FromStr<Err = &'static str> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.iter().copied()).try_map(|word| word.parse::<T>())
}

/// A moment: `2026-11-18`, `2026-11-18 09:30`, `2026-11-18T09:30:00Z`, `now`, `today`, `yesterday`, or how long ago, such as
/// `7d`. Without an offset it is UTC.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::from_millisecond(vouchlog::unix_millis().signed());
    moment_at(text, now.map_err(|_| "the system clock is out of range")?)
}

fn moment_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let midnight = |days_ago: i64| -> Result<Timestamp, jiff::Error> {
        let today = now.to_zoned(TimeZone::UTC).start_of_day()?;
        Ok(today.checked_sub(days_ago.days())?.timestamp())
    };
    let read = match text {
        "now" => Ok(now),
        "today" => midnight(0),
        "yesterday" => midnight(1),
        _ => {
            if let Ok(moment) = text.parse::<Timestamp>() {
                return Ok(moment);
            }
            if let Ok(moment) = text.parse::<DateTime>() {
                moment.to_zoned(TimeZone::UTC).map(|moment| moment.timestamp())
            } else {
                ago(text, now)
            }
        }
    };
    read.map_err(|_| {
        "write a moment such as 2026-11-18, 2026-11-18T09:30:00Z, yesterday, or 7d for seven days ago"
            .to_owned()
    })
}

fn ago(text: &str, now: Timestamp) -> Result<Timestamp, jiff::Error> {
    let span: Span = text.parse()?;
    if span.is_negative() {
        return Err(jiff::Error::from_args(format_args!("a negative duration is in the future")));
    }
    Ok(now.to_zoned(TimeZone::UTC).checked_sub(span)?.timestamp())
}

/// A duration: `30s`, `5m`, `1h 30m`, `500ms`, `7d`. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |_| "write a duration such as 30s, 5m or 7d".to_owned();
    let span: Span = text.parse().map_err(wrong)?;
    let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    positive(Duration::try_from(span).ok())
}

/// A period for which something is kept: `7d`, `6mo`, `7y`, `P7Y`. A year has 366 days and a month 31, so that it does not end
/// early.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let wrong = "write a period such as 90d, 6mo or 7y";
    let span: Span = text.parse().map_err(|_| wrong.to_owned())?;
    let days = i64::from(span.get_years()) * LONGEST_YEAR
        + i64::from(span.get_months()) * LONGEST_MONTH
        + i64::from(span.get_weeks()) * 7
        + i64::from(span.get_days());
    let rest = span.years(0).months(0).weeks(0).days(0);
    let rest = rest.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong.to_owned())?;
    let seconds = days.checked_mul(86_400).and_then(|days| days.checked_add(rest.as_secs()));
    let nanos = rest.subsec_nanos();
    let sum = seconds.map(|seconds| jiff::SignedDuration::new(seconds, nanos));
    positive(sum.and_then(|sum| Duration::try_from(sum).ok()))
}

fn positive(duration: Option<Duration>) -> Result<Duration, String> {
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| "it must be positive".to_owned())
}

/// A size in bytes: `512MiB`, `4GiB`, `4G` (the same), `4GB` (powers of ten), `1.5GiB`, or a plain number.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a size such as 512MiB or 4GB".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let too_large = || "it must be positive and fit into 64 bits".to_owned();
    let mut bytes = whole.checked_mul(unit).ok_or_else(too_large)?;
    if number.contains('.') {
        // Thousandths are more than anyone means, and fit.
        if fraction.is_empty() || fraction.len() > 3 || unit == 1 {
            return Err(wrong());
        }
        let parts: u64 = fraction.parse().map_err(|_| wrong())?;
        let of = 10_u64.pow(u32::try_from(fraction.len()).unwrap_or(u32::MAX));
        bytes = bytes.checked_add(unit / of * parts + unit % of * parts / of).ok_or_else(too_large)?;
    }
    Some(bytes).filter(|bytes| *bytes > 0).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-18T09:30:15Z".parse().unwrap();
        for (text, expected) in [
            ("now", "2026-11-18T09:30:15Z"),
            ("today", "2026-11-18T00:00:00Z"),
            ("yesterday", "2026-11-17T00:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01 08:15", "2026-11-01T08:15:00Z"),
            ("2026-11-01T08:15:30", "2026-11-01T08:15:30Z"),
            ("2026-11-01T08:15:30Z", "2026-11-01T08:15:30Z"),
            ("2026-11-01T08:15:30+02:00", "2026-11-01T06:15:30Z"),
            ("24h", "2026-11-17T09:30:15Z"),
            ("7d", "2026-11-11T09:30:15Z"),
            ("1y", "2025-11-18T09:30:15Z"),
            ("1mo", "2026-10-18T09:30:15Z"),
            (" 90m ", "2026-11-18T08:00:15Z"),
        ] {
            assert_eq!(
                moment_at(text, now).map(|moment| moment.to_string()),
                Ok(expected.to_owned()),
                "{text}"
            );
        }
        for wrong in ["", "soon", "tomorrow", "-7d", "2026-13-01", "2026-11-31", "18.11.2026", "7", "99999y"]
        {
            assert!(moment_at(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "30", "0s", "-5s", "1mo", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods_do_not_end_early() {
        let days = |days: u64| Ok(Duration::from_secs(days * 86_400));
        assert_eq!(period("90d"), days(90));
        assert_eq!(period("2w"), days(14));
        assert_eq!(period("7y"), days(7 * 366));
        assert_eq!(period("P7Y"), days(7 * 366));
        assert_eq!(period("6mo"), days(6 * 31));
        assert_eq!(period("1y 1d"), days(367));
        assert_eq!(period("4380h"), Ok(Duration::from_secs(4380 * 3600)));
        assert_eq!(period("63072000s"), Ok(Duration::from_secs(63_072_000)));
        for wrong in ["", "7", "0d", "-7y", "forever"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("512 MiB"), Ok(512 << 20));
        assert_eq!(size("4g"), Ok(4 << 30));
        assert_eq!(size("4GB"), Ok(4_000_000_000));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert_eq!(size("0.25MB"), Ok(250_000));
        assert_eq!(size("17"), Ok(17));
        for wrong in [
            "",
            "0",
            "GiB",
            "-1",
            "1.5",
            "1.GiB",
            "1.2345GiB",
            "4 apples",
            "99999999TiB",
            "18014398509481984KiB",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
