//! Which signals cannot be exported, so that a run of failures is logged once, and its end once.

/// What is exported.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Spans,
    Metrics,
}

/// What is worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A signal fails, for a reason that is not logged yet.
    Began,
    /// Everything is exported again.
    Ended,
}

/// Why each signal fails; `None` if it does not.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    spans: Option<String>,
    metrics: Option<String>,
}

impl Outage {
    /// Notes how an export ended: `Err` holds the reason of its failure.
    ///
    /// Two signals that fail for one reason are one failure. An endpoint that takes one signal and rejects the other is not one that
    /// fails and recovers in turn.
    pub(crate) fn note(&mut self, signal: Signal, outcome: Result<(), &str>) -> Option<Change> {
        let (own, other) = match signal {
            Signal::Spans => (&mut self.spans, &self.metrics),
            Signal::Metrics => (&mut self.metrics, &self.spans),
        };
        match outcome {
            Ok(()) => (own.take().is_some() && other.is_none()).then_some(Change::Ended),
            Err(why) => {
                let is_new = own.is_none() && other.as_deref() != Some(why);
                *own = Some(why.to_owned());
                is_new.then_some(Change::Began)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(exports: &[(Signal, Result<(), &str>)]) -> Vec<(usize, Change)> {
        let mut outage = Outage::default();
        let changes = exports.iter().map(|(signal, outcome)| outage.note(*signal, *outcome));
        changes.enumerate().filter_map(|(place, change)| Some((place, change?))).collect()
    }

    #[test]
    fn an_endpoint_that_is_away_is_one_failure() {
        let (away, spans, metrics) = (Err("refused"), Signal::Spans, Signal::Metrics);
        let exports = [
            (spans, Ok(())),
            (spans, away),
            (metrics, away),
            (spans, away),
            (spans, Ok(())),
            (metrics, Ok(())),
            (metrics, away),
        ];
        assert_eq!(changes(&exports), [(1, Change::Began), (5, Change::Ended), (6, Change::Began)]);
    }

    /// Jaeger, for one, has no endpoint for metrics.
    #[test]
    fn an_endpoint_that_rejects_one_signal_does_not_flap() {
        let exports: Vec<_> = (0..10)
            .flat_map(|_| [(Signal::Metrics, Err("404 Not Found")), (Signal::Spans, Ok(()))])
            .collect();
        assert_eq!(changes(&exports), [(0, Change::Began)]);
        let exports = [(Signal::Metrics, Err("404 Not Found")), (Signal::Spans, Err("refused"))];
        assert_eq!(changes(&exports), [(0, Change::Began), (1, Change::Began)], "the second reason is news");
    }
}
