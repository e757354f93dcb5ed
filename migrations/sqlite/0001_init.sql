-- Times are milliseconds since 1970 (UTC). `data` columns hold the domain's struct as JSON; the columns
-- beside it repeat what queries look at and are written together with it.

-- Deliveries from GitHub. `payload` stands last: whoever scans the other columns reads no body.
CREATE TABLE inbox (
    delivery_id TEXT PRIMARY KEY,
    event       TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('new', 'done')),
    due_at      INTEGER NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    error       TEXT,
    note        TEXT,
    payload     BLOB NOT NULL
) STRICT;
CREATE INDEX inbox_new ON inbox (received_at) WHERE state = 'new';
CREATE INDEX inbox_done ON inbox (received_at) WHERE state = 'done';

-- What deliveries were about. Kept longer than the deliveries: a late copy of an event must change nothing.
CREATE TABLE triggers (
    key         TEXT PRIMARY KEY,
    delivery_id TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT;

CREATE TABLE runs (
    id               TEXT PRIMARY KEY,
    repo_id          INTEGER NOT NULL,
    master           INTEGER NOT NULL,
    sequence         INTEGER NOT NULL,
    orchestration_id TEXT NOT NULL,
    state            TEXT NOT NULL,
    -- 1: nothing is left to do until something happens.
    settled          INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    -- 1: an effect was forgotten from outside; the next attempt to settle must look again.
    recheck          INTEGER NOT NULL DEFAULT 0 CHECK (recheck IN (0, 1)),
    version          INTEGER NOT NULL DEFAULT 1,
    created_at       INTEGER NOT NULL,
    installation     INTEGER NOT NULL,
    max_workers      INTEGER,
    data             TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX runs_live ON runs (repo_id, master) WHERE state = 'active';
CREATE UNIQUE INDEX runs_name ON runs (repo_id, orchestration_id);
CREATE UNIQUE INDEX runs_sequence ON runs (repo_id, master, sequence);
CREATE INDEX runs_open ON runs (created_at) WHERE settled = 0;
CREATE INDEX runs_newest ON runs (created_at);

CREATE TABLE tasks (
    run_id       TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    state        TEXT NOT NULL,
    epoch        INTEGER NOT NULL,
    attempt      INTEGER NOT NULL,
    runner       TEXT,
    lease_until  INTEGER,
    sub_issue    INTEGER,
    pull_request INTEGER,
    follow_up    INTEGER,
    agent        TEXT NOT NULL,
    size         TEXT NOT NULL CHECK (size IN ('S', 'M', 'L')),
    -- 1: other tasks come first, so the whole run is looked at before it is handed out.
    waits        INTEGER NOT NULL CHECK (waits IN (0, 1)),
    data         TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;
CREATE INDEX tasks_ready ON tasks (run_id) WHERE state = 'ready';
CREATE INDEX tasks_running ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_sub_issue ON tasks (sub_issue) WHERE sub_issue IS NOT NULL;
CREATE INDEX tasks_pull_request ON tasks (pull_request) WHERE pull_request IS NOT NULL;
CREATE INDEX tasks_follow_up ON tasks (follow_up) WHERE follow_up IS NOT NULL;

CREATE TABLE attempts (
    run_id     TEXT NOT NULL,
    task       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    runner     TEXT NOT NULL,
    -- The host of the runner, as it registered; empty for a runner that never did.
    host_id    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('live', 'ended', 'lost')),
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    PRIMARY KEY (run_id, task, attempt),
    FOREIGN KEY (run_id, task) REFERENCES tasks (run_id, number) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX attempts_live ON attempts (run_id, task) WHERE state = 'live';
CREATE INDEX attempts_of_runner ON attempts (runner) WHERE state = 'live';
CREATE INDEX attempts_of_host ON attempts (host_id) WHERE state = 'live';

-- `scope` is `run:…` or `delivery:…`. No foreign key: what it refers to may be either, or pruned.
CREATE TABLE effects (
    scope         TEXT NOT NULL,
    key           TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('wanted', 'sending', 'doubt', 'done', 'refused')),
    wanted        TEXT NOT NULL,
    applied       TEXT,
    remote_id     INTEGER,
    remote_number INTEGER,
    not_before    INTEGER,
    tries         INTEGER NOT NULL DEFAULT 0,
    applied_at    INTEGER,
    error         TEXT,
    payload       TEXT NOT NULL DEFAULT 'null',
    PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX effects_open ON effects (scope) WHERE state IN ('wanted', 'sending', 'doubt');

-- The runner process of each host that registered last.
CREATE TABLE runners (
    id            TEXT PRIMARY KEY,
    host_id       TEXT NOT NULL UNIQUE,
    slots         INTEGER NOT NULL,
    agents        TEXT NOT NULL,
    tier          TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- One row that the readiness probe writes.
CREATE TABLE health (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    probes INTEGER NOT NULL
) STRICT;
INSERT INTO health (id, probes) VALUES (1, 0);
