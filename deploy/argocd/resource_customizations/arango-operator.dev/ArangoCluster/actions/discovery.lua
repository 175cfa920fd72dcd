local annotations = obj.metadata.annotations or {}
local paused = annotations["arango-operator.dev/paused"] == "true"
local actions = {}
actions["reconcile"] = {["disabled"] = paused}
actions["pause"] = {["disabled"] = paused}
actions["resume"] = {["disabled"] = not paused}
-- The same value again would not begin anew, so it is taken away first.
local maintenance = annotations["arango-operator.dev/maintenance"] ~= nil
actions["maintenance-on"] = {
  ["disabled"] = maintenance,
  ["params"] = {
    {
      ["name"] = "duration"
    }
  }
}
actions["maintenance-off"] = {["disabled"] = not maintenance}
local deployment = (obj.status or {}).deployment or {}
actions["accept-deployment"] = {["disabled"] = deployment.found == nil}
return actions
