-- +goose Up
-- Only Postgres had the column that this migration drops.
SELECT 1;

-- +goose Down
SELECT 1;
