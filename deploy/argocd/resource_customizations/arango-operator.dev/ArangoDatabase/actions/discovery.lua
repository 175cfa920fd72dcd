local annotations = obj.metadata.annotations or {}
local paused = annotations["arango-operator.dev/paused"] == "true"
local actions = {}
actions["reconcile"] = {["disabled"] = paused}
actions["pause"] = {["disabled"] = paused}
actions["resume"] = {["disabled"] = not paused}
actions["release"] = {["disabled"] = obj.metadata.deletionTimestamp == nil}
return actions
