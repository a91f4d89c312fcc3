-- +goose Up
-- Postgres alone notes which transaction added a call.
SELECT 1;

-- +goose Down
SELECT 1;
