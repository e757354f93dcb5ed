-- What attempts that led to a result have taken, for estimates. Written when the result is recorded.
CREATE TABLE history (
    run_id   TEXT NOT NULL,
    task     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    repo_id  INTEGER NOT NULL,
    agent    TEXT NOT NULL,
    size     TEXT NOT NULL CHECK (size IN ('S', 'M', 'L')),
    seconds  REAL NOT NULL,
    -- 0 where the agent tells no prices.
    cost_usd REAL NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, task, attempt)
) STRICT;
CREATE INDEX history_of_repo ON history (repo_id, agent, ended_at);
CREATE INDEX history_of_agent ON history (agent, ended_at);

-- Earlier ones, where the sum over all attempts of a task is that of one.
INSERT INTO history (run_id, task, attempt, repo_id, agent, size, seconds, cost_usd, ended_at)
SELECT tasks.run_id, number, attempts.attempt, repo_id, agent, size,
    coalesce(json_extract(tasks.data, '$.spent.seconds'), 0.0),
    coalesce(json_extract(tasks.data, '$.spent.cost_usd'), 0.0), attempts.ended_at
FROM tasks JOIN runs ON runs.id = tasks.run_id
JOIN attempts ON attempts.run_id = tasks.run_id AND attempts.task = number AND attempts.attempt = tasks.attempt
WHERE tasks.state = 'completed' AND tasks.attempt = 1 AND attempts.state = 'ended' AND attempts.ended_at IS NOT NULL;
