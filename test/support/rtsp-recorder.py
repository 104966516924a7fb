#!/usr/bin/python3
"""An RTSP server that is pushed to: what comes at rtsp://127.0.0.1:PORT/NAME is written to FOLDER/NAME-N.ts, N counting from 0.

rtsp-recorder.py PORT FOLDER NAME... Says "ready" once it listens.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
port, folder, names = sys.argv[1], sys.argv[2], sys.argv[3:]

server = GstRtspServer.RTSPServer(service=port, address="127.0.0.1")


class Factory(GstRtspServer.RTSPMediaFactory):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.count = 0
        self.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)

    def do_create_element(self, _url):
        path = f"{folder}/{self.name}-{self.count}.ts"
        self.count += 1
        return Gst.parse_launch(
            f"( rtph264depay name=depay0 ! h264parse ! mpegtsmux ! filesink async=false sync=false buffer-mode=unbuffered location={path} )"
        )


for name in names:
    server.get_mount_points().add_factory(f"/{name}", Factory(name))
if server.attach(None) == 0:
    sys.exit(f"nothing can listen on port {port}")
print("ready", flush=True)
GLib.MainLoop().run()
