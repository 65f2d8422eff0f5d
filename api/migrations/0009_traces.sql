-- The context of the request's trace (W3C's traceparent), so that whoever goes on with the job continues the trace.
ALTER TABLE jobs ADD COLUMN trace TEXT;
