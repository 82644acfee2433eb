-- The key of pseudonyms is derived from the sealing key and a salt from now on; the salt is stored. The earlier
-- column had the key itself: with it, a reader of this file could have tried numbers until one gave the pseudonym.
ALTER TABLE tenants RENAME COLUMN pseudonym_key TO pseudonym_salt;
UPDATE tenants SET pseudonym_salt = randomblob(32);
