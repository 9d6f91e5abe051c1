-- How an attachment's bytes are reached: a protocol and what its clients need, instead of a URI to be taken apart.
ALTER TABLE attachments ADD COLUMN connection TEXT;
UPDATE attachments SET connection = json_object('protocol', 'nbd', 'fields', json_object(
    'uri', export_uri, 'export_name', id, 'socket', substr(export_uri, instr(export_uri, '?socket=') + 8)))
  WHERE export_uri LIKE 'nbd+unix:%';
-- nbd://HOST:PORT/ID
UPDATE attachments SET connection = json_object('protocol', 'nbd', 'fields', json_object(
    'uri', export_uri, 'export_name', id,
    'host', rtrim(rtrim(substr(export_uri, 7, length(export_uri) - 7 - length(id)), '0123456789'), ':'),
    'port', CAST(substr(substr(export_uri, 7, length(export_uri) - 7 - length(id)),
                        length(rtrim(substr(export_uri, 7, length(export_uri) - 7 - length(id)), '0123456789')) + 1)
                 AS INTEGER)))
  WHERE export_uri LIKE 'nbd://%';
ALTER TABLE attachments DROP COLUMN export_uri;
