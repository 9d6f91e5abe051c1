"""An S3 bucket in memory, as strict as a real one: botocore, Amazon's own implementation, checks every signature."""
import datetime
import hashlib
import http.server
import threading
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, BUCKET, REGION = "test:tester", "secret/with+signs", "shelf", "eu-de"
PAGE = 3  # keys in one listing


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signed(self, body):
        """The signature that botocore makes of what was sent."""
        given = self.headers.get("Authorization", "")
        if "SignedHeaders=" not in given:
            return False
        names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", {n: self.headers[n] for n in names if n in self.headers}, body)
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        stamp = datetime.datetime.strptime(self.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        if abs((datetime.datetime.utcnow() - stamp).total_seconds()) > 300:
            return False
        request.context["timestamp"] = self.headers["x-amz-date"]
        if self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return False
        canonical = signer.canonical_request(request)
        return given.endswith("Signature=" + signer.signature(signer.string_to_sign(request, canonical), request)) and f"Credential={KEY}/" in given

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        bucket = self.server.bucket
        if bucket.down:
            return self.answer(503, b"<Error>SlowDown</Error>")
        if not self.signed(body):
            return self.answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        url = urllib.parse.urlsplit(self.path)
        if url.path.strip("/") == BUCKET and self.command == "GET":
            return self.answer(200, bucket.listing(dict(urllib.parse.parse_qsl(url.query))))
        prefix = f"/{BUCKET}/"
        if not url.path.startswith(prefix):
            return self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        name = url.path[len(prefix):]
        if self.command == "PUT":
            bucket.objects[name] = body
            return self.answer(200)
        if self.command == "DELETE":
            bucket.objects.pop(name, None)
            return self.answer(204)
        if name in bucket.objects:
            return self.answer(200, bucket.objects[name])
        return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_GET = do_PUT = do_DELETE = handle_one


class Bucket:
    def __init__(self):
        self.objects = {}
        self.down = False
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.bucket = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def options(self, secret=SECRET):
        values = {"store": "s3", "s3_endpoint": f"http://127.0.0.1:{self.server.server_port}", "s3_bucket": BUCKET, "s3_prefix": "varve/",
                  "s3_region": REGION, "s3_access_key": KEY, "s3_secret_key": secret}
        return [f"backups.{key}={value}" for key, value in values.items()]

    def listing(self, query):
        assert query["list-type"] == "2"
        names = sorted(name for name in self.objects if name.startswith(query["prefix"]) and name > query.get("continuation-token", ""))
        rows = "".join(f"<Contents><Key>{escape(name)}</Key></Contents>" for name in names[:PAGE])
        more = len(names) > PAGE
        token = f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>".encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
