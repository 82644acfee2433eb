-- What pseudonyms are made with is derived from the sealing key from now on, with a salt that is kept here. What was kept
-- before was the key itself: with it, whoever had this file could try numbers until one gave the pseudonym.
ALTER TABLE tenants RENAME COLUMN pseudonym_key TO pseudonym_salt;
UPDATE tenants SET pseudonym_salt = randomblob(32);
