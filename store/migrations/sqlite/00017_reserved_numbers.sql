-- +goose Up
-- When a purchase that is not over began; 0: the number is the environment's.
ALTER TABLE numbers ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
CREATE INDEX numbers_by_reserved ON numbers (reserved, id) WHERE reserved > 0;

-- +goose Down
DROP INDEX numbers_by_reserved;
ALTER TABLE numbers DROP COLUMN reserved;
