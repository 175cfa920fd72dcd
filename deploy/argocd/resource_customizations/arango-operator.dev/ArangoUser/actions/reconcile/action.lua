-- Any text that was not there before asks for a look now: each version of the object has another one.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["arango-operator.dev/reconcile-at"] = "argocd-" .. obj.metadata.resourceVersion
return obj
