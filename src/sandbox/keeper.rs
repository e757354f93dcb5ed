//! The keeper: one thread that lives as long as the process and does every fork and exec.
//!
//! A parent-death signal belongs to the *thread* that forked. Forked from a pool thread, a child with such a signal dies when the pool retires that
//! thread (measured: after 10 s); from the keeper it dies with the process and not before.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc;

/// A command on its way to the keeper, and where the child goes.
struct Order {
    command: Command,
    reply: tokio::sync::oneshot::Sender<io::Result<Child>>,
}

/// The way to the keeper; `None` when its thread could not be made.
static KEEPER: OnceLock<Option<mpsc::Sender<Order>>> = OnceLock::new();

/// Starts a child from the keeper thread. A child that arms a parent-death signal is killed when this process ends, not earlier.
///
/// # Errors
/// As [`Command::spawn`], and when the keeper's thread could not be made.
pub async fn spawn(command: Command) -> io::Result<Child> {
    order(command)?.await.unwrap_or_else(|_| Err(gone()))
}

/// [`spawn`] for a caller outside an async runtime.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_blocking(command: Command) -> io::Result<Child> {
    order(command)?.blocking_recv().unwrap_or_else(|_| Err(gone()))
}

fn order(command: Command) -> io::Result<tokio::sync::oneshot::Receiver<io::Result<Child>>> {
    let keeper = KEEPER.get_or_init(start).as_ref().ok_or_else(gone)?;
    let (reply, answer) = tokio::sync::oneshot::channel();
    keeper.send(Order { command, reply }).map_err(|_| gone())?;
    Ok(answer)
}

fn start() -> Option<mpsc::Sender<Order>> {
    let (orders, queue) = mpsc::channel();
    std::thread::Builder::new().name("keeper".to_owned()).spawn(move || keep(&queue)).ok()?;
    Some(orders)
}

/// The keeper's whole life: the sender is a static, so the queue never closes.
fn keep(queue: &mpsc::Receiver<Order>) {
    while let Ok(mut order) = queue.recv() {
        #[expect(clippy::disallowed_methods, reason = "this thread is the one spawner")]
        let child = order.command.spawn();
        // Our ends of the child's pipes live in the command; close them before the caller waits for their end.
        drop(order.command);
        if let Err(Ok(mut orphan)) = order.reply.send(child) {
            // The caller gave up meanwhile: nobody else would end or reap this child.
            let _ = orphan.kill();
            let _ = orphan.wait();
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts processes is not there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_an_error_and_the_keeper_goes_on() {
        assert_eq!(
            spawn_blocking(Command::new("/nonexistent/program")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let mut child = spawn_blocking(Command::new("true")).expect("`true` starts");
        assert!(child.wait().expect("it ends").success());
    }
}
