//! Host commands that others can see the effect of (`git push`), for work under a lease.
//!
//! A plain host command runs until it ends or its starter kills it, and a runner that is stopped kills nothing: its push could reach GitHub after the task
//! has gone to another host. So behind a fence such a command has a shim of its own, which freezes it at the fence, like an agent. Frozen rather than ended,
//! because an outage shall cost no work: moved on, the push goes on where it was. Without namespaces: it is ours, and needs the host's files.

use super::host::{HostError, HostOutput, HostSpec, read_all};
use super::launcher::Launcher;
use super::namespace::Confinement;
use super::process::Handle;
use super::spec::{LaunchError, Limits, Status, StopReason};
use super::wire;
use std::io;
use std::time::Duration;

/// Between SIGTERM and SIGKILL when its time is up.
const GRACE: Duration = Duration::from_secs(2);

/// Kills the command when nobody waits for it any more.
struct Running(Handle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Launcher {
    /// Runs an outward command to its end, under this launcher's fence. Its deadline stands still with it.
    pub(super) async fn run_fenced(&self, spec: HostSpec) -> Result<HostOutput, HostError> {
        let program = spec.program;
        let start = |reason: String| HostError::Start { program: program.clone(), reason };
        let args = spec.args.into_iter().map(|arg| arg.into_string());
        let args =
            args.collect::<Result<_, _>>().map_err(|arg| start(format!("{} is not UTF-8", arg.display())))?;
        let limits = Limits { max_output: u64::MAX, ..Limits::default() };
        let order = wire::Order {
            program: program.clone(),
            args,
            env: spec.env,
            cwd: spec.cwd,
            deadline_ms: wire::millis(spec.deadline),
            grace_ms: wire::millis(GRACE),
            max_open_files: limits.max_open_files,
            fence: None,
        };
        let begun = self.begin(Confinement::Subreaper, order, &spec.stdin, limits, None).await;
        let begun = begun.map_err(|error| match error {
            LaunchError::Spec(why) => start(why),
            LaunchError::Shim(why) => start(why.to_string()),
        })?;
        let running = Running(begun.handle);
        let mut ended = begun.ended;
        let read = tokio::try_join!(
            read_all(begun.stdout, spec.max_output),
            read_all(begun.stderr, spec.max_output)
        );
        let (stdout, stderr) = match read {
            Ok(both) => both,
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(HostError::TooMuchOutput { program, limit: spec.max_output });
            }
            Err(source) => return Err(HostError::Pipe { program, source }),
        };
        let ended = ended.wait_for(Option::is_some).await.map(|ended| ended.clone());
        drop(running);
        let Ok(Some(ended)) = ended else { return Err(start("its supervisor is gone".to_owned())) };
        if ended.reason == Some(StopReason::Deadline) {
            return Err(HostError::Deadline { program, limit: spec.deadline });
        }
        match ended.status {
            Status::Exit(code) => Ok(HostOutput { code, stdout, stderr }),
            Status::Signal(n) => Ok(HostOutput { code: 128 + n, stdout, stderr }),
            Status::NotStarted(reason) => Err(start(reason)),
        }
    }
}
