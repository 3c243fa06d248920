DELETE FROM `assay.shadows_sealed_1` WHERE recorded_at >= TIMESTAMP_MILLIS(@from) AND recorded_at < TIMESTAMP_MILLIS(@to) AND position <= @position
