-- The log, and what must be as durable as it. Every record carries a CRC-32 over its fields and its key.

-- The head outlives what it counts: a position is never given out again, and a cut tail is found.
CREATE TABLE head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;

CREATE TABLE categories (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL
) STRICT;

-- Events name their stream by a number: an index over text is half as fast to write.
CREATE TABLE streams (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    category_id INTEGER NOT NULL REFERENCES categories (id),
    crc INTEGER NOT NULL
) STRICT;

-- The position is given by the store under its write lock, never by SQLite, which may reuse one.
-- The data stands last, so that everything before it is read without following its overflow pages.
CREATE TABLE events (
    position INTEGER NOT NULL PRIMARY KEY,
    stream_id INTEGER NOT NULL REFERENCES streams (id),
    version INTEGER NOT NULL,
    category_id INTEGER NOT NULL REFERENCES categories (id),
    type TEXT NOT NULL,
    schema INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    metadata BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_by_stream ON events (stream_id, version);

-- Every index ends with the position, the key of the table.
CREATE INDEX events_by_category ON events (category_id);

CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never updated');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never deleted');
END;

CREATE TABLE keys (
    key TEXT NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    versions TEXT NOT NULL,
    crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    consumer TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    worker TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
