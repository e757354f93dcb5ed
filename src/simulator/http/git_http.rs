//! Git over smart HTTP: the real `git http-backend`, behind a check of the installation token.

use super::pipeline::{Body, full};
use crate::simulator::git::hermetic_env;
use crate::simulator::options::TokenKind;
use crate::simulator::service::Shared;
use crate::simulator::watch::CallRecord;
use crate::simulator::world::World;
use base64::Engine as _;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// What a git URL names.
pub(super) struct Target {
    repo: String,
    /// `/info/refs`, `/git-upload-pack` or `/git-receive-pack`.
    service: &'static str,
}

/// A refusal of git: status, text, and whether to ask for credentials.
struct Denied(u16, &'static str);

/// The git part of a path `/{owner}/{name}.git/{service}`, if it is one.
pub(super) fn target(path: &str) -> Option<Target> {
    let (repo, service) = path.trim_start_matches('/').split_once(".git/")?;
    let service = ["info/refs", "git-upload-pack", "git-receive-pack"].into_iter().find(|s| *s == service)?;
    (repo.split('/').count() == 2).then(|| Target { repo: repo.to_owned(), service })
}

/// Answers a request of a git client.
pub(super) async fn answer(
    shared: Arc<Shared>,
    target: Target,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let push = target.service == "git-receive-pack" || query == "service=git-receive-pack";
    let allowed = allow(&shared.world(), &target, push, request.headers().get(AUTHORIZATION));
    let (status, outcome) = match allowed {
        Ok((repo, dir)) => {
            let response = run(&shared, repo, dir, &target, &query, request).await?;
            (response.status().as_u16(), response)
        }
        Err(Denied(status, text)) => {
            let mut response = Response::new(full(text));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            if status == 401 {
                let ask = HeaderValue::from_static("Basic realm=\"GitHub\"");
                response.headers_mut().insert(hyper::header::WWW_AUTHENTICATE, ask);
            }
            (status, response)
        }
    };
    let token = if status == 401 { TokenKind::Anonymous } else { TokenKind::Installation };
    shared.world().calls.push(CallRecord { token, method, path, route: Some("git"), status });
    shared.changed();
    Ok(outcome)
}

/// Checks the token (`x-access-token:TOKEN`, Basic); gives the repository's id and directory.
fn allow(
    world: &World,
    target: &Target,
    push: bool,
    header: Option<&HeaderValue>,
) -> Result<(u64, PathBuf), Denied> {
    let no_login = || Denied(401, "Invalid username or token. Password authentication is not supported.");
    let token = header.and_then(password).ok_or_else(no_login)?;
    let token = world.live_token(&token).map_err(|_| no_login())?;
    let repo = world.repo_id(&target.repo).ok_or(match world.moved_repo(&target.repo) {
        Some(_) => Denied(301, "Moved Permanently"),
        None => Denied(404, "Repository not found."),
    })?;
    if world.installations.get(&token.installation).is_none_or(|i| i.suspended.is_some()) {
        return Err(Denied(403, "This installation has been suspended."));
    }
    if push && world.repo_ref(repo).is_ok_and(|r| r.archived) {
        return Err(Denied(403, "This repository was archived so it is read-only."));
    }
    let dir = world.repo_ref(repo).map_err(|_| Denied(404, "Repository not found."))?.git_dir().to_owned();
    let level = if push { "write" } else { "read" };
    if !world.in_scope(token, repo) || !token.allows("contents", level) {
        return Err(Denied(403, "Write access to repository not granted."));
    }
    Ok((repo, dir))
}

fn password(header: &HeaderValue) -> Option<String> {
    let (scheme, value) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

/// Runs `git http-backend` as a CGI program.
async fn run(
    shared: &Arc<Shared>,
    repo: u64,
    dir: PathBuf,
    target: &Target,
    query: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let mut command = Command::new(&shared.git_backend);
    command.env_clear().envs(hermetic_env()).current_dir("/");
    command.env("GIT_PROJECT_ROOT", &dir).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", format!("/{}", target.service)).env("QUERY_STRING", query);
    command.env("REQUEST_METHOD", request.method().as_str());
    command.env("REMOTE_USER", "x-access-token").env("REMOTE_ADDR", "127.0.0.1");
    for (name, variable) in [
        (CONTENT_TYPE, "CONTENT_TYPE"),
        (CONTENT_LENGTH, "CONTENT_LENGTH"),
        (CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
        (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.headers().get(name).and_then(|v| v.to_str().ok()) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    #[expect(clippy::disallowed_methods, reason = "the simulator is a world of its own and runs git itself")]
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let mut body = request.into_body();
        // Beside the reading of the answer: git may answer before it has read all.
        shared.tasks.spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                if stdin.write_all(&data).await.is_err() {
                    break;
                }
            }
        });
    }
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no output of git http-backend"))?;
    let mut stdout = BufReader::new(stdout);
    let mut response = head(&mut stdout).await?;
    if target.service == "git-receive-pack" {
        // What the push changed is known to everybody before the client is told that it is done.
        let mut report = Vec::new();
        stdout.read_to_end(&mut report).await?;
        child.wait().await?;
        let shared = Arc::clone(shared);
        let synced = tokio::task::spawn_blocking(move || {
            shared.act(|world| {
                let actor = world.app_actor();
                world.sync_refs(repo, &actor)
            })
        });
        synced.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        *response.body_mut() = full(report);
    } else {
        *response.body_mut() = rest(stdout, child);
    }
    Ok(response)
}

/// Reads the CGI header.
async fn head(stdout: &mut BufReader<ChildStdout>) -> Result<Response<Body>, io::Error> {
    let mut response = Response::new(full(Bytes::new()));
    let mut line = String::new();
    loop {
        line.clear();
        if stdout.read_line(&mut line).await? == 0 {
            return Err(io::Error::other("git http-backend ended without an answer"));
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(response);
        }
        let Some((name, value)) = text.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|c| c.parse().ok());
            *response.status_mut() = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        } else if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Streams the rest of the output, and reaps the process at its end.
fn rest(stdout: BufReader<ChildStdout>, child: Child) -> Body {
    let chunks = stream::unfold((stdout, child), |(mut stdout, mut child)| async move {
        let mut buffer = vec![0; 64 * 1024];
        match stdout.read(&mut buffer).await {
            Ok(0) => {
                let _ = child.wait().await;
                None
            }
            Ok(count) => {
                buffer.truncate(count);
                Some((Ok(Frame::data(Bytes::from(buffer))), (stdout, child)))
            }
            Err(error) => Some((Err(error), (stdout, child))),
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
