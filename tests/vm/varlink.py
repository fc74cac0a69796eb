#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Call a method of a Varlink service and print its answers.

  varlink.py SOCKET [--more] METHOD [PARAMETERS]
  varlink.py SOCKET --raw TEXT
"""
import json
import socket
import sys


def messages(s):
    pending = b''
    while True:
        got = s.recv(65536)
        if not got:
            return
        pending += got
        while b'\0' in pending:
            message, pending = pending.split(b'\0', 1)
            yield json.loads(message)


def main():
    path, arguments = sys.argv[1], sys.argv[2:]
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
    except OSError as error:
        sys.exit(str(error))
    if arguments[0] == '--raw':
        s.sendall(arguments[1].encode() + b'\0')
        for answer in messages(s):
            print(json.dumps(answer))
        return
    more = arguments[0] == '--more'
    if more:
        arguments.pop(0)
    call = {'method': arguments[0], 'parameters': json.loads(arguments[1]) if len(arguments) > 1 else {}}
    if more:
        call['more'] = True
    s.sendall(json.dumps(call).encode() + b'\0')
    for answer in messages(s):
        print(json.dumps(answer['parameters'] if 'error' not in answer else answer), flush=True)
        if not more:
            return


main()
