-- An hour, unless the parameter says another duration, an end time, or "on". What is no such thing is refused by the operator.
local value = actionParams["duration"]
if value == nil or value == "" then
  value = "1h"
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["arango-operator.dev/maintenance"] = value
return obj
