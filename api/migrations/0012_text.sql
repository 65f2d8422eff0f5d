-- Of a prompt that was continued: how many tokens of the input are the prompt, and how many the answer, as JSON.
ALTER TABLE jobs ADD COLUMN text TEXT;
