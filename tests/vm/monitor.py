#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Say commands to the monitor of a guest (run-qemu --monitor), one argument each, and print what it answers.

  monitor.py SOCKET COMMAND...

The answer to each command ends with the next prompt.
"""
import socket
import sys

PROMPT = b'(qemu) '


def answer(monitor):
    text = b''
    while not text.endswith(PROMPT):
        more = monitor.recv(65536)
        if not more:
            sys.exit('the guest is gone')
        text += more
    return text[:-len(PROMPT)]


def main():
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(20)
        monitor.connect(sys.argv[1])
        answer(monitor)
        for command in sys.argv[2:]:
            monitor.sendall(command.encode() + b'\n')
            # the monitor echoes, with the control sequences of a terminal, up to the end of the line
            said = answer(monitor).split(b'\n', 1)[-1].decode(errors='replace').strip()
            if said:
                print(said)


main()
