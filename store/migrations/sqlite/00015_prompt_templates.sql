-- +goose Up
-- The keys of a context that a prompt needs; an empty id: there is no template.
ALTER TABLE prompts ADD COLUMN template_id TEXT NOT NULL DEFAULT '';
ALTER TABLE prompts ADD COLUMN template_label TEXT NOT NULL DEFAULT '';
ALTER TABLE prompts ADD COLUMN template_keys TEXT NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE prompts DROP COLUMN template_keys;
ALTER TABLE prompts DROP COLUMN template_label;
ALTER TABLE prompts DROP COLUMN template_id;
