-- +goose Up
ALTER TABLE calls ADD COLUMN human_detection TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN do_not_call TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE calls DROP COLUMN metadata;
ALTER TABLE calls DROP COLUMN do_not_call;
ALTER TABLE calls DROP COLUMN human_detection;
