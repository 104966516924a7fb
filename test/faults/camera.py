#!/usr/bin/python3
"""A network camera: one RTSP stream rtsp://127.0.0.1:PORT/cam of a moving test picture, H.264, 640x360, live.

camera.py PORT FPS [USER:PASSWORD]. Commands on standard input, a word a line:
freeze, thaw   the picture stands still though frames keep coming; it moves again
size WxH       another picture size in mid-stream
end            the stream ends for everybody; whoever comes again gets a new one
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
port, fps = sys.argv[1], int(sys.argv[2])
login = sys.argv[3] if len(sys.argv) > 3 else ""

server = GstRtspServer.RTSPServer(service=port, address="127.0.0.1")
factory = GstRtspServer.RTSPMediaFactory()
# One quality for all pictures: a picture that stands still is then the same to the last bit.
factory.set_launch(
    f"( videotestsrc name=source is-live=true pattern=ball ! video/x-raw,framerate={fps}/1,width=640,height=360"
    " ! videoscale ! capsfilter name=size caps=video/x-raw,width=640,height=360"
    " ! x264enc tune=zerolatency speed-preset=ultrafast pass=quant quantizer=24 key-int-max=10"
    " ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
if login:
    user, _, password = login.partition(":")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    rights = GstRtspServer.RTSPPermissions()
    rights.add_permission_for_role("user", "media.factory.access", True)
    rights.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(rights)

frozen = False
size = (640, 360)
media = None


def apply():
    if media is None:
        return
    bin_ = media.get_element()
    bin_.get_by_name("source").set_property("pattern", "smpte75" if frozen else "ball")
    width, height = size
    caps = Gst.Caps.from_string(f"video/x-raw,width={width},height={height}")
    bin_.get_by_name("size").set_property("caps", caps)


def configured(_factory, made):
    global media
    media = made
    made.connect("unprepared", lambda *_: None)
    apply()


def command(line):
    global frozen, size
    words = line.split()
    if words[0] in ("freeze", "thaw"):
        frozen = words[0] == "freeze"
        apply()
    elif words[0] == "size":
        size = tuple(int(n) for n in words[1].split("x"))
        apply()
    elif words[0] == "end" and media is not None:
        media.get_element().send_event(Gst.Event.new_eos())


def listen():
    for line in sys.stdin:
        if line.strip():
            GLib.idle_add(lambda text=line: command(text) and False)


factory.connect("media-configure", configured)
server.get_mount_points().add_factory("/cam", factory)
if server.attach(None) == 0:
    sys.exit(f"port {port} cannot be listened on")
threading.Thread(target=listen, daemon=True).start()
print("ready", flush=True)
GLib.MainLoop().run()
