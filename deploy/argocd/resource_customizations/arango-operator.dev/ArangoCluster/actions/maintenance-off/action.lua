-- Switches off what the operator switched on.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["arango-operator.dev/maintenance"] = nil
end
return obj
