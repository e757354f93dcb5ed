//! A permission that is missing is no limit: it is final, and told with its reason.

use super::PROOF;
use crate::support::figures;
use crate::support::rig::{Hub, Script, tasks};
use jiff::SignedDuration;

#[test]
fn a_missing_permission_is_final_and_told() {
    let mut hub = Hub::with(SignedDuration::ZERO, |options| {
        options.permissions.insert("pull_requests".to_owned(), "read".to_owned());
    });
    let played = hub.play(Script::new(tasks(3)));
    assert!(played.ended, "{:?}", played.took);
    hub.github.read(|w| {
        assert!(w.pulls(&played.repo).is_empty());
        let comments = w.comments(&played.repo, played.master);
        let summary =
            comments.iter().find(|c| c.body.starts_with("## Parallel Orchestration Results")).unwrap();
        assert!(summary.body.contains("**Failed**: 3"), "{}", summary.body);
        assert!(summary.body.contains("Resource not accessible by integration"), "{}", summary.body);
        let refused = w.calls().iter().filter(|c| c.status == 403).count();
        // Once more at most, while the token was so young that GitHub may not have known it.
        assert!((3..=12).contains(&refused), "{refused}");
        figures::tell(
            PROOF,
            &format!("missing permission: 3 tasks end with the reason after {refused} refusals"),
        );
    });
}
