-- +goose Up
-- The only countries that are called, a JSON list of ISO 3166 codes; [] for the default.
ALTER TABLE environments ADD COLUMN dial_countries TEXT NOT NULL DEFAULT '[]';
-- Whether a person is recorded to whom a caller was handed, once no agent listens.
ALTER TABLE environments ADD COLUMN record_transfers BOOLEAN NOT NULL DEFAULT FALSE;
