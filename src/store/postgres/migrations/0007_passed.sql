-- Names the check that a client's last good version has passed: what a look at its files gives the same name for need not
-- be checked again. NULL: check it.
ALTER TABLE lockstep.last_good ADD COLUMN passed TEXT;
