-- Every statement of the store, by name; migrations/ holds the tables.

-- name: begin_write
BEGIN IMMEDIATE;

-- name: begin_read
BEGIN DEFERRED;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: data_version
PRAGMA data_version;

-- name: checkpoint_wal
PRAGMA wal_checkpoint(PASSIVE);

-- name: truncate_wal
PRAGMA wal_checkpoint(TRUNCATE);

-- name: integrity_check
PRAGMA integrity_check(100);

-- name: select_head
SELECT position, recorded_at, crc FROM head;

-- name: insert_head
INSERT INTO head (id, position, recorded_at, crc) VALUES (1, ?, ?, ?);

-- name: update_head
UPDATE head SET position = ?, recorded_at = ?, crc = ?;

-- name: select_stream_by_name
SELECT id, category_id, crc FROM streams WHERE name = ?;

-- name: select_stream_by_id
SELECT name, category_id, crc FROM streams WHERE id = ?;

-- name: insert_stream
INSERT INTO streams (id, name, category_id, crc) VALUES (?, ?, ?, ?);

-- name: count_streams
SELECT count(*) FROM streams;

-- name: select_last_stream
SELECT coalesce(max(id), 0) FROM streams;

-- name: select_category
SELECT id, crc FROM categories WHERE name = ?;

-- name: insert_category
INSERT INTO categories (id, name, crc) VALUES (?, ?, ?);

-- name: select_last_category
SELECT coalesce(max(id), 0) FROM categories;

-- name: insert_event
INSERT INTO events
    (position, stream_id, version, category_id, type, schema, recorded_at, crc, metadata, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: select_last_of_stream
SELECT position, stream_id, version, type, schema, recorded_at, crc, metadata, data
FROM events INDEXED BY events_by_stream
WHERE stream_id = ? ORDER BY version DESC LIMIT 1;

-- name: select_place_of_last
SELECT version, position FROM events INDEXED BY events_by_stream
WHERE stream_id = ? ORDER BY version DESC LIMIT 1;

-- name: select_stream_at
SELECT stream_id, version FROM events WHERE position = ?;

-- name: select_position_of_version
SELECT position FROM events INDEXED BY events_by_stream WHERE stream_id = ? AND version = ?;

-- name: select_end_of_category_window
SELECT position FROM events INDEXED BY events_by_category
WHERE category_id = ? AND position > ? AND position <= ?
ORDER BY position LIMIT 1 OFFSET ?;

-- name: read_all
SELECT position, stream_id, version, type, schema, recorded_at, crc, metadata, data
FROM events
WHERE position > :after AND position <= :until AND /*types*/ TRUE
ORDER BY position /*order*/ LIMIT :limit;

-- name: read_category
SELECT position, stream_id, version, type, schema, recorded_at, crc, metadata, data
FROM events INDEXED BY events_by_category
WHERE category_id = :id AND position > :after AND position <= :until AND /*types*/ TRUE
ORDER BY position /*order*/ LIMIT :limit;

-- name: read_stream
SELECT position, stream_id, version, type, schema, recorded_at, crc, metadata, data
FROM events INDEXED BY events_by_stream
WHERE stream_id = :id AND version > :after AND version <= :until AND /*types*/ TRUE
ORDER BY version /*order*/ LIMIT :limit;

-- name: of_types
type IN (SELECT value FROM json_each(:types));

-- name: select_key
SELECT digest, first, last, versions, crc FROM keys WHERE key = ?;

-- name: insert_key
INSERT INTO keys (key, digest, first, last, versions, crc) VALUES (?, ?, ?, ?, ?, ?);

-- name: select_checkpoint
SELECT position, crc FROM checkpoints WHERE consumer = ?;

-- name: select_checkpoints
SELECT consumer, position, crc FROM checkpoints;

-- name: replace_checkpoint
INSERT OR REPLACE INTO checkpoints (consumer, position, crc) VALUES (?, ?, ?);

-- name: replace_lease
INSERT OR REPLACE INTO leases (worker, until, crc) VALUES (?, ?, ?);

-- name: select_leases
SELECT worker, until, crc FROM leases ORDER BY worker;

-- name: select_last_position
SELECT coalesce(max(position), 0) FROM events;

-- name: verify_events
SELECT position, stream_id, version, type, schema, recorded_at, crc, metadata, data, category_id
FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?;

-- name: verify_versions
SELECT stream_id, version, position FROM events INDEXED BY events_by_stream
WHERE (stream_id, version) > (?, ?) ORDER BY stream_id, version LIMIT ?;

-- name: verify_streams
SELECT id, name, category_id, crc FROM streams WHERE id > ? ORDER BY id LIMIT ?;

-- name: verify_categories_of_streams
SELECT streams.id, streams.name, categories.name
FROM streams LEFT JOIN categories ON categories.id = streams.category_id
WHERE streams.id > ? ORDER BY streams.id LIMIT ?;

-- name: verify_categories
SELECT id, name, crc FROM categories WHERE id > ? ORDER BY id LIMIT ?;

-- name: verify_keys
-- The keys that come back are bytes, and SQLite puts bytes after all text.
SELECT key, digest, first, last, versions, crc FROM keys
WHERE key > CAST(? AS TEXT) ORDER BY key LIMIT ?;

-- name: verify_checkpoints
SELECT consumer, position, crc FROM checkpoints
WHERE consumer > CAST(? AS TEXT) ORDER BY consumer LIMIT ?;

-- name: verify_leases
SELECT worker, until, crc FROM leases WHERE worker > CAST(? AS TEXT) ORDER BY worker LIMIT ?;
