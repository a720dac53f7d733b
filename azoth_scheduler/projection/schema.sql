-- The schedule table. All of it is a fold of the log: another version of the code drops it and
-- folds the log again, so there are no migrations.

CREATE TABLE meta (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    -- The last event whose checksum is known; it tells whether the log is still the same.
    mark_position INTEGER NOT NULL,
    mark_crc INTEGER NOT NULL,
    unreadable INTEGER NOT NULL
);

-- The lane is task type, queue and priority, so that what is due stands together, by time. Tasks
-- that wait for nothing have none.
CREATE TABLE tasks (
    task_id TEXT NOT NULL PRIMARY KEY,
    lane TEXT,
    wake_at INTEGER,
    running INTEGER NOT NULL,
    state BLOB NOT NULL
);

-- Of the current generation alone: a run of an older one is never started again. The payload
-- stands last, so that the rest is read without following its overflow pages.
CREATE TABLE definitions (
    task_id TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    definition BLOB NOT NULL,
    hash BLOB NOT NULL,
    payload BLOB NOT NULL
);

-- Attempts are never taken out, and the position of their start orders them.
CREATE TABLE attempts (
    started_position INTEGER NOT NULL PRIMARY KEY,
    execution_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    attempt BLOB NOT NULL
);

INSERT INTO meta (id, version, position, mark_position, mark_crc, unreadable)
VALUES (1, 0, 0, 0, 0, 0);

-- Indexes stand last, so that many rows can be put in before them: to sort what is there takes half
-- the time of finding the place of each.

CREATE INDEX tasks_by_wake ON tasks (lane, wake_at, task_id) WHERE lane IS NOT NULL;

CREATE INDEX tasks_running ON tasks (task_id) WHERE running = 1;

CREATE UNIQUE INDEX attempts_by_execution ON attempts (execution_id);

-- Every index ends with the position, the key of the table.
CREATE INDEX attempts_by_task ON attempts (task_id);
