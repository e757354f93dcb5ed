//! What the process says about itself: log lines, metrics, and the redaction that everything passes first.
//!
//! Imports nothing of ours, so that every floor can count and every log can be cleaned by the same code.

mod redact;
mod shapes;
mod strip;

pub use redact::{RedactStream, Redactor};

use std::io::{self, Write};
use std::sync::Arc;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged when nothing else is asked for: our own sentences, and of others only what is wrong.
pub const DEFAULT_FILTER: &str = "warn,divisi=info";

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not of the form of `RUST_LOG`.
    #[error("cannot read the log filter `{filter}`: {reason}")]
    Filter {
        /// As it was given.
        filter: String,
        /// Why.
        reason: String,
    },
    /// Logs or metrics were set up before in this process.
    #[error("{0} were already set up in this process")]
    Twice(&'static str),
}

/// How to log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOptions<'a> {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// A filter of the form of `RUST_LOG`; `None` for [`DEFAULT_FILTER`].
    pub filter: Option<&'a str>,
}

/// Sends log lines to standard error for the rest of the process, each through `redactor`.
pub fn init(options: LogOptions<'_>, redactor: &Arc<Redactor>) -> Result<(), TelemetryError> {
    let subscriber = subscriber(options, redactor, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice("logs"))
}

/// The subscriber that [`init`] installs, with a sink of the caller's choice.
pub fn subscriber<W, S>(
    options: LogOptions<'_>,
    redactor: &Arc<Redactor>,
    sink: S,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: Write,
    S: Fn() -> W + Send + Sync + 'static,
{
    let filter = options.filter.unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let sink = Sink { redactor: Arc::clone(redactor), open: sink };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(sink);
    Ok(if options.json {
        Box::new(builder.json().flatten_event(true).finish())
    } else {
        Box::new(builder.finish())
    })
}

/// Makes one cleaned writer for each log line.
struct Sink<S> {
    redactor: Arc<Redactor>,
    open: S,
}

impl<'a, W: Write, S: Fn() -> W + 'a> MakeWriter<'a> for Sink<S> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { stream: self.redactor.stream(), out: (self.open)() }
    }
}

/// Cleans what is written to it; the end of a line is sent on at once, the rest when it is dropped.
struct Line<W: Write> {
    stream: RedactStream,
    out: W,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let clean = self.stream.push(bytes);
        self.out.write_all(clean.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        let rest = self.stream.finish();
        // Nobody is left to be told that a log line could not be written.
        let _ = self.out.write_all(rest.as_bytes());
    }
}

/// The metrics of this process, from the moment this is made.
#[derive(Clone)]
pub struct MetricsPage(metrics_exporter_prometheus::PrometheusHandle);

impl MetricsPage {
    /// Starts collecting, once per process, and describes every metric of [`names`].
    ///
    /// # Errors
    /// When something collects metrics already.
    pub fn install() -> Result<Self, TelemetryError> {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Twice("metrics"))?;
        names::describe();
        Ok(Self(handle))
    }

    /// The page in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Names of metrics. No label ever holds the name of a repository, a title or a person.
pub mod names {
    use metrics::{Unit, describe_counter, describe_histogram};

    /// Webhook deliveries by `event` and `outcome`.
    pub const WEBHOOKS: &str = "divisi_webhooks_total";
    /// Seconds from the first byte of a delivery to its answer.
    pub const WEBHOOK_SECONDS: &str = "divisi_webhook_seconds";
    /// Deliveries that did not come and were found in GitHub's list.
    pub const DELIVERIES_FOUND: &str = "divisi_deliveries_found_total";
    /// Runs that ended, by `outcome`.
    pub const RUNS: &str = "divisi_runs_total";
    /// Attempts that ended, by `outcome` (`pushed` or the kind of failure).
    pub const ATTEMPTS: &str = "divisi_attempts_total";
    /// Writes to GitHub by `kind` and `outcome`.
    pub const EFFECTS: &str = "divisi_effects_total";
    /// Requests to GitHub by `status`.
    pub const GITHUB_REQUESTS: &str = "divisi_github_requests_total";
    /// Requests for tokens, and for their end, by `call` (`mint`, `revoke`).
    pub const TOKENS: &str = "divisi_tokens_total";
    /// Leases that ended because their runner went away.
    pub const LEASES_LOST: &str = "divisi_leases_lost_total";

    /// Tells the collector, which must be installed by now, what each name means.
    pub fn describe() {
        describe_counter!(WEBHOOKS, "Webhook deliveries by event and outcome.");
        describe_histogram!(WEBHOOK_SECONDS, Unit::Seconds, "Time until a delivery is answered.");
        describe_counter!(DELIVERIES_FOUND, "Deliveries that did not come and were found in GitHub's list.");
        describe_counter!(RUNS, "Runs that ended, by outcome.");
        describe_counter!(ATTEMPTS, "Attempts that ended, by outcome.");
        describe_counter!(EFFECTS, "Writes to GitHub by kind and outcome.");
        describe_counter!(GITHUB_REQUESTS, "Requests to GitHub by status.");
        describe_counter!(TOKENS, "Tokens asked for and ended, by call.");
        describe_counter!(LEASES_LOST, "Leases that ended because their runner went away.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, work: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let redactor = Arc::new(Redactor::new(["live \"canary\" value"]));
        let sink = buffer.clone();
        let options = LogOptions { json, filter: Some("info") };
        let subscriber = subscriber(options, &redactor, move || sink.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_log_line_is_cleaned() {
        for json in [false, true] {
            let text = logged(json, || {
                tracing::info!(token = "ghs_0123456789abcdefghijklmnopqrstuvwxyz", "took a token");
                tracing::info!("\u{1b}[31mred\u{1b}[0m live \"canary\" value");
                tracing::debug!("too quiet");
            });
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(!text.contains("ghs_0123"), "{text}");
            assert!(!text.contains("canary"), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
            assert!(text.contains("took a token"), "{text}");
        }
    }

    #[test]
    fn a_wrong_filter_is_told() {
        let redactor = Arc::new(Redactor::default());
        let options = LogOptions { json: false, filter: Some("divisi=loud") };
        let Err(error) = subscriber(options, &redactor, io::sink) else { panic!("accepted") };
        assert!(error.to_string().contains("divisi=loud"), "{error}");
    }
}
