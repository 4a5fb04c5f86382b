"""OpenAPI v2 and v3 of the resources that this server has: what kubectl explains, validates and merges by.

Documents are made from the resource rows and the definitions of the release when somebody asks for them, and kept
compressed. Leaves out the deprecated `/watch/` paths and OpenAPI v3 in protobuf.
"""

from pinnace.apiserver.openapi.service import OpenApi as OpenApi
