"""What Python's http.server does when nobody tunes it: Nagle on, and a write each for head and body.

GET /: 300 bytes on a connection that stays. PUT: 413, and the body is not read.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '300')
        self.end_headers()
        self.wfile.write(b'x' * 300)

    def do_PUT(self):
        self.close_connection = True
        self.send_response(413)
        self.send_header('Content-Length', '10')
        self.send_header('Connection', 'close')
        self.end_headers()
        self.wfile.write(b'too large\n')

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a crowd of 50 comes at once; 5 is its default


if __name__ == '__main__':
    import sys

    server = Server(('127.0.0.1', int(sys.argv[1])), Handler)
    print('listening', flush=True)
    server.serve_forever()
