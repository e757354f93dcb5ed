-- How far something has come that works through a list by time, such as the catch-up of deliveries.
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;
