"""Runs a command in a terminal of its own, closes that once a file is there, and prints the command's exit code."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import time

path, *command = sys.argv[1:]
window, terminal = pty.openpty()


def take_terminal():
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=take_terminal)
os.close(terminal)
while not os.path.exists(path) and process.poll() is None:
    time.sleep(0.05)
os.close(window)
print(process.wait(60))
