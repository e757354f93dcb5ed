-- One row: how long this store has been reachable without a break, as the process that judges leases saw it.
-- A lease is given away only when that is longer than a lease: whoever holds one had all of that time to renew it.
CREATE TABLE db_clock (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    last_tick        INTEGER NOT NULL,
    continuous_since INTEGER NOT NULL
) STRICT;
