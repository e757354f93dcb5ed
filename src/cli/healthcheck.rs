//! `divisi healthcheck`: asks `/healthz` of a server on this machine, so that an image needs no curl.

use super::exit::Exit;
use super::terminal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// Ask the server on this machine whether it is up; exit code 0 when it is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address that the server listens on; a wildcard address is asked on loopback.
    #[arg(long, env = "DIVISI_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
}

const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn main(args: &Args) -> ExitCode {
    match ask(args.listen) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            terminal::error(&error);
            Exit::Failed.into()
        }
    }
}

fn ask(mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .map_err(|e| anyhow::anyhow!("nothing answers at {address}: {e}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let line = answer.lines().next().unwrap_or_default();
    anyhow::ensure!(line.split_whitespace().nth(1) == Some("200"), "{address} answers `{line}` to /healthz");
    Ok(())
}
