//! A way to the private socket that can be cut.

use std::io;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// What the way does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// Connections break at once.
    Refuse,
    /// Everything is taken and nothing arrives; connections that were there swallow too.
    BlackHole,
}

pub struct Proxy {
    pub path: PathBuf,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Listens at `path` and leads to `target`, on this runtime.
    pub fn start(path: &Path, target: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let (mode, modes) = watch::channel(Mode::Open);
        let target = target.to_owned();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(carry(from, target.clone(), modes.clone()));
            }
        });
        Self { path: path.to_owned(), mode }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// One connection, until either end closes it or the way changes. Cut in the middle, a request may have arrived and its answer be lost.
async fn carry(mut from: UnixStream, target: PathBuf, mut modes: watch::Receiver<Mode>) {
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Refuse => return,
            Mode::BlackHole => {
                // The other end waits in vain until its own patience is over.
                if modes.changed().await.is_err() {
                    return;
                }
                return;
            }
            Mode::Open => {
                let open = async {
                    let mut to = UnixStream::connect(&target).await?;
                    tokio::io::copy_bidirectional(&mut from, &mut to).await?;
                    Ok::<_, io::Error>(())
                };
                tokio::select! {
                    _ = open => return,
                    _ = modes.changed() => {}
                }
            }
        }
    }
}
