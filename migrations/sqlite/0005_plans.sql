-- The plan of an issue that was posted last, so that exactly that can be started. Written with the settlement of the delivery
-- that posted it, removed when a run of the issue starts. `data` is everything that the plan was made of.
CREATE TABLE plans (
    repo_id   INTEGER NOT NULL,
    issue     INTEGER NOT NULL,
    delivery  TEXT NOT NULL,
    posted_at INTEGER NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (repo_id, issue)
) STRICT;
