-- +goose Up
-- Where numbers without plus are dialled, an ISO 3166 code; '': nowhere.
ALTER TABLE environments ADD COLUMN default_country TEXT COLLATE "C" NOT NULL DEFAULT '';
-- How an entry was written, and whether its number is certainly the one meant. What is there stays as it is: its digits may
-- have been meant as a number of the country, so both numbers are blocked until a person decides.
ALTER TABLE dnc_numbers ADD COLUMN written TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE dnc_numbers ADD COLUMN certain BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX dnc_numbers_by_certain ON dnc_numbers (environment_id, certain, created, id);
-- The last digits are the same however a number was dialled.
CREATE INDEX dnc_numbers_by_end ON dnc_numbers (environment_id, substr(number, length(number) - 5));

-- +goose Down
DROP INDEX dnc_numbers_by_end;
DROP INDEX dnc_numbers_by_certain;
ALTER TABLE dnc_numbers DROP COLUMN certain;
ALTER TABLE dnc_numbers DROP COLUMN written;
ALTER TABLE environments DROP COLUMN default_country;
