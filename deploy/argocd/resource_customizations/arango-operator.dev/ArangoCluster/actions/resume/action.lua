if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["arango-operator.dev/paused"] = nil
end
return obj
