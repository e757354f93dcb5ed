//! The API over HTTP: one pipeline for every request, one table of routes, one file of handlers a subject.

mod app_api;
mod call;
mod checks_api;
mod comments_api;
mod content_api;
mod git_http;
mod issues_api;
mod links_api;
mod page;
mod pipeline;
mod pulls_api;
mod refs_api;
mod routes;

pub(super) use pipeline::answer;
