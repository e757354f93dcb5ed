//! The table of routes: method, path as GitHub's description names it, what the caller needs, and the handler.

use super::call::{Answer, Call};
use super::{app_api, checks_api, comments_api, content_api, issues_api, links_api, pulls_api, refs_api};
use crate::simulator::refusal::Refusal;

/// What a caller has to come with.
#[derive(Clone, Copy)]
pub(super) enum Need {
    /// The App's JWT.
    Jwt,
    /// Any installation token.
    Token,
    /// The JWT or any token; free of the rate limit.
    Either,
    /// A token with one of these permissions.
    Any(&'static [(&'static str, &'static str)]),
}

/// One route.
pub(super) struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub need: Need,
    pub run: fn(&mut Call<'_>) -> Result<Answer, Refusal>,
}

/// Parameters that may hold slashes.
const MANY_SEGMENTS: [&str; 4] = ["path", "ref", "basehead", "branch"];

const METADATA: Need = Need::Any(&[("metadata", "read")]);
const READ_ISSUES: Need = Need::Any(&[("issues", "read")]);
const READ_TALK: Need = Need::Any(&[("issues", "read"), ("pull_requests", "read")]);
const WRITE_ISSUES: Need = Need::Any(&[("issues", "write")]);
const WRITE_TALK: Need = Need::Any(&[("issues", "write"), ("pull_requests", "write")]);
const READ_CODE: Need = Need::Any(&[("contents", "read")]);
const WRITE_CODE: Need = Need::Any(&[("contents", "write")]);
const READ_PULLS: Need = Need::Any(&[("pull_requests", "read")]);
const WRITE_PULLS: Need = Need::Any(&[("pull_requests", "write")]);
const READ_CHECKS: Need = Need::Any(&[("checks", "read")]);
const WRITE_CHECKS: Need = Need::Any(&[("checks", "write")]);

const fn route(
    method: &'static str,
    path: &'static str,
    need: Need,
    run: fn(&mut Call<'_>) -> Result<Answer, Refusal>,
) -> Route {
    Route { method, path, need, run }
}

/// In the order of matching: a longer path stands before one whose last parameter would swallow it.
#[rustfmt::skip]
const ROUTES: &[Route] = &[
    route("GET", "/app", Need::Jwt, app_api::app),
    route("GET", "/app/hook/deliveries", Need::Jwt, app_api::deliveries),
    route("GET", "/app/hook/deliveries/{delivery_id}", Need::Jwt, app_api::delivery),
    route("POST", "/app/hook/deliveries/{delivery_id}/attempts", Need::Jwt, app_api::redeliver),
    route("GET", "/app/installations", Need::Jwt, app_api::installations),
    route("GET", "/app/installations/{installation_id}", Need::Jwt, app_api::installation),
    route("POST", "/app/installations/{installation_id}/access_tokens", Need::Jwt, app_api::mint),
    route("DELETE", "/installation/token", Need::Token, app_api::revoke),
    route("GET", "/installation/repositories", Need::Token, app_api::repositories),
    route("GET", "/rate_limit", Need::Either, app_api::rate_limit),
    route("GET", "/repositories/{repository_id}", METADATA, app_api::repository),
    route("GET", "/repos/{owner}/{repo}", METADATA, app_api::repository),
    route("GET", "/repos/{owner}/{repo}/installation", Need::Jwt, app_api::repo_installation),
    route("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", METADATA, app_api::permission),
    route("GET", "/repos/{owner}/{repo}/issues", READ_TALK, issues_api::list),
    route("POST", "/repos/{owner}/{repo}/issues", WRITE_ISSUES, issues_api::create),
    route("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", READ_TALK, comments_api::get),
    route("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", WRITE_TALK, comments_api::edit),
    route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", WRITE_TALK, comments_api::delete),
    route("POST", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", WRITE_TALK, comments_api::react),
    route("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions/{reaction_id}", WRITE_TALK, comments_api::unreact),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}", READ_TALK, issues_api::get),
    route("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}", WRITE_TALK, issues_api::edit),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments", READ_TALK, comments_api::list),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", WRITE_TALK, comments_api::create),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/labels", READ_TALK, issues_api::labels),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels", WRITE_TALK, issues_api::add_labels),
    route("PUT", "/repos/{owner}/{repo}/issues/{issue_number}/labels", WRITE_TALK, issues_api::set_labels),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", WRITE_TALK, issues_api::remove_label),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/reactions", READ_TALK, issues_api::reactions),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/reactions", WRITE_TALK, issues_api::react),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/reactions/{reaction_id}", WRITE_TALK, issues_api::unreact),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/parent", READ_ISSUES, links_api::parent),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/sub_issues", READ_ISSUES, links_api::sub_issues),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/sub_issues", WRITE_ISSUES, links_api::add_sub_issue),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/sub_issue", WRITE_ISSUES, links_api::remove_sub_issue),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/dependencies/blocked_by", READ_ISSUES, links_api::blocked_by),
    route("POST", "/repos/{owner}/{repo}/issues/{issue_number}/dependencies/blocked_by", WRITE_ISSUES, links_api::add_blocked_by),
    route("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/dependencies/blocked_by/{issue_id}", WRITE_ISSUES, links_api::remove_blocked_by),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}/dependencies/blocking", READ_ISSUES, links_api::blocking),
    route("GET", "/repos/{owner}/{repo}/labels", READ_TALK, issues_api::repo_labels),
    route("POST", "/repos/{owner}/{repo}/labels", WRITE_TALK, issues_api::create_label),
    route("GET", "/repos/{owner}/{repo}/labels/{name}", READ_TALK, issues_api::repo_label),
    route("GET", "/repos/{owner}/{repo}/contents/{path}", READ_CODE, content_api::contents),
    route("GET", "/repos/{owner}/{repo}/branches/{branch}", READ_CODE, content_api::branch),
    route("GET", "/repos/{owner}/{repo}/compare/{basehead}", READ_CODE, content_api::compare),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", READ_CHECKS, checks_api::of_commit),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}", READ_CODE, content_api::commit),
    route("GET", "/repos/{owner}/{repo}/git/ref/{ref}", READ_CODE, refs_api::get),
    route("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref}", READ_CODE, refs_api::matching),
    route("POST", "/repos/{owner}/{repo}/git/refs", WRITE_CODE, refs_api::create),
    route("PATCH", "/repos/{owner}/{repo}/git/refs/{ref}", WRITE_CODE, refs_api::update),
    route("DELETE", "/repos/{owner}/{repo}/git/refs/{ref}", WRITE_CODE, refs_api::delete),
    route("GET", "/repos/{owner}/{repo}/pulls", READ_PULLS, pulls_api::list),
    route("POST", "/repos/{owner}/{repo}/pulls", WRITE_PULLS, pulls_api::create),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}", READ_PULLS, pulls_api::get),
    route("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}", WRITE_PULLS, pulls_api::edit),
    route("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files", READ_PULLS, pulls_api::files),
    route("POST", "/repos/{owner}/{repo}/check-runs", WRITE_CHECKS, checks_api::create),
    route("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}", READ_CHECKS, checks_api::get),
    route("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", WRITE_CHECKS, checks_api::update),
];

/// Values of a path's parameters.
pub(super) type Params = Vec<(&'static str, String)>;

/// The route of a request, and its parameters.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Route, Params)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| matched(route.path, &segments).map(|params| (route, params)))
}

fn matched(template: &'static str, segments: &[&str]) -> Option<Params> {
    let parts: Vec<&'static str> = template.trim_matches('/').split('/').collect();
    let mut params = Params::new();
    let mut at = 0;
    for (index, part) in parts.iter().enumerate() {
        let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
            if segments.get(at) != Some(part) {
                return None;
            }
            at += 1;
            continue;
        };
        let take = if MANY_SEGMENTS.contains(&name) {
            segments.len().checked_sub(at + (parts.len() - index - 1))?
        } else {
            1
        };
        // The root directory is the one empty parameter.
        if take == 0 && name != "path" {
            return None;
        }
        let value = segments.get(at..at + take)?.join("/");
        if value.is_empty() && name != "path" {
            return None;
        }
        params.push((name, decoded(&value)));
        at += take;
    }
    (at == segments.len()).then_some(params)
}

/// The pairs of a query, decoded.
pub(super) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Percent-decodes; what is not well formed stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{find, query_pairs};

    fn params(method: &str, path: &str) -> Option<(&'static str, Vec<String>)> {
        find(method, path).map(|(route, params)| (route.path, params.into_iter().map(|(_, v)| v).collect()))
    }

    #[test]
    fn refs_and_paths_may_hold_slashes_encoded_or_not() {
        let found = params("GET", "/repos/a/b/git/ref/heads/divisi/1/2-x");
        assert_eq!(found.map(|f| f.1[2].clone()).as_deref(), Some("heads/divisi/1/2-x"));
        let found = params("GET", "/repos/a/b/commits/divisi%2F1%2F2-x/check-runs");
        assert_eq!(
            found,
            Some((
                "/repos/{owner}/{repo}/commits/{ref}/check-runs",
                vec!["a".into(), "b".into(), "divisi/1/2-x".into()]
            ))
        );
        let found = params("GET", "/repos/a/b/compare/main...divisi/1/2-x");
        assert_eq!(found.map(|f| f.1[2].clone()).as_deref(), Some("main...divisi/1/2-x"));
        assert_eq!(params("GET", "/repos/a/b/contents/").map(|f| f.1[2].clone()).as_deref(), Some(""));
    }

    #[test]
    fn fixed_words_win_over_parameters() {
        let found = params("GET", "/repos/a/b/issues/comments/7").map(|f| f.0);
        assert_eq!(found, Some("/repos/{owner}/{repo}/issues/comments/{comment_id}"));
        assert_eq!(
            params("DELETE", "/repos/a/b/issues/1/labels/good%20first%2Fone")
                .map(|f| f.1[3].clone())
                .as_deref(),
            Some("good first/one")
        );
        assert_eq!(params("GET", "/repos/a/b/nothing"), None);
        assert_eq!(params("GET", "/repos/a/b/git/ref"), None);
    }

    #[test]
    fn queries_are_decoded() {
        assert_eq!(
            query_pairs("labels=a%2Cb&q=x+y"),
            [("labels".to_owned(), "a,b".to_owned()), ("q".to_owned(), "x y".to_owned())]
        );
    }
}
