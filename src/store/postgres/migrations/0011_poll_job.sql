-- The job by which a system makes the listing of a poll, as JSON: see PollJob in src/store/poll.rs. NULL for nearly all: only
-- large listings are made so, and only while they are.
ALTER TABLE lockstep.poll ADD COLUMN job TEXT COLLATE "C";
