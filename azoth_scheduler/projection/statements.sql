-- Every statement of the schedule table, by name; schema.sql holds the tables.

-- name: set_version
UPDATE meta SET version = ?;

-- name: select_meta
SELECT version, position, mark_position, mark_crc, unreadable FROM meta;

-- name: update_meta
UPDATE meta SET position = ?, mark_position = ?, mark_crc = ?, unreadable = unreadable + ?;

-- name: select_for_fold
SELECT
    tasks.task_id,
    tasks.state,
    definitions.definition,
    coalesce(definitions.generation, 0),
    coalesce(definitions.hash, x'')
FROM json_each(?) AS wanted
CROSS JOIN tasks ON tasks.task_id = wanted.value
LEFT JOIN definitions USING (task_id);

-- name: select_task
SELECT tasks.state, definitions.definition, definitions.payload
FROM tasks LEFT JOIN definitions USING (task_id)
WHERE tasks.task_id = ?;

-- name: select_tasks_after
SELECT tasks.task_id, tasks.state, definitions.definition
FROM tasks JOIN definitions USING (task_id)
WHERE tasks.task_id > ?
ORDER BY tasks.task_id;

-- name: select_payload
SELECT payload FROM definitions WHERE task_id = ?;

-- name: select_running
SELECT task_id, state FROM tasks WHERE running = 1 ORDER BY task_id;

-- Each step of the recursion seeks the next lane, so tasks are not looked at one by one.
-- name: select_lanes
WITH RECURSIVE lanes (lane) AS (
    SELECT min(lane) FROM tasks WHERE lane IS NOT NULL
    UNION ALL
    SELECT (SELECT min(tasks.lane) FROM tasks WHERE tasks.lane > lanes.lane)
    FROM lanes
    WHERE lanes.lane IS NOT NULL
)
SELECT lane, (SELECT min(tasks.wake_at) FROM tasks WHERE tasks.lane = lanes.lane)
FROM lanes
WHERE lane IS NOT NULL;

-- name: select_due
SELECT wake_at, task_id FROM tasks
WHERE lane = ? AND wake_at <= ?
ORDER BY wake_at, task_id
LIMIT ?;

-- name: put_task
INSERT INTO tasks (task_id, lane, wake_at, running, state) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (task_id) DO UPDATE SET
    lane = excluded.lane,
    wake_at = excluded.wake_at,
    running = excluded.running,
    state = excluded.state;

-- name: put_definition
INSERT INTO definitions (task_id, generation, definition, hash, payload)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (task_id) DO UPDATE SET
    generation = excluded.generation,
    definition = excluded.definition,
    hash = excluded.hash,
    payload = excluded.payload;

-- name: select_attempt
SELECT attempt FROM attempts WHERE execution_id = ?;

-- name: select_attempts
SELECT attempt FROM attempts
WHERE task_id = ? AND started_position > ?
ORDER BY started_position
LIMIT ?;

-- name: put_attempt
INSERT INTO attempts (started_position, execution_id, task_id, attempt) VALUES (?, ?, ?, ?)
ON CONFLICT (execution_id) DO UPDATE SET
    started_position = excluded.started_position,
    attempt = excluded.attempt;

-- name: select_all_tasks
SELECT tasks.task_id, tasks.state, coalesce(definitions.hash, x'')
FROM tasks LEFT JOIN definitions USING (task_id);

-- name: select_all_attempts
SELECT execution_id, attempt FROM attempts;
