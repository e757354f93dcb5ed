-- How much of GitHub's limits each installation has used up, as the limiter wrote it last: a process that is killed
-- and started again goes on there.
CREATE TABLE limits (
    installation INTEGER PRIMARY KEY,
    level        TEXT NOT NULL,
    saved_at     INTEGER NOT NULL
) STRICT;
