// A job of Azure Container Apps that runs one night: az deployment group create -g RG -f container-apps-job.bicep -p …
// The image has fwlens and a shell: FROM python:3.12-slim, RUN pip install fwlens. The store is a data lake; reports go
// to an Azure Files share that the environment knows by `reportsStorage`.
@description('The environment of Container Apps, by its id.')
param environmentId string
@description('An image with fwlens in it.')
param image string
@description('The workspace to read, by its GUID (customer id).')
param workspace string
@description('The store: abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER')
param store string
@description('The storage account of the store, in this resource group.')
param storageAccount string
@description('The Log Analytics workspace, by its name in this resource group.')
param workspaceName string
@description('The name under which the environment knows the share for reports.')
param reportsStorage string
@secure()
@description('The address of a webhook; a space for none.')
param webhook string = ' '
param region string = resourceGroup().location
param location string = resourceGroup().location

var notify = trim(webhook) == '' ? '--no-notify' : '--notify'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'fwlens'
  location: location
}

resource lake 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccount
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

// Storage Blob Data Contributor
resource mayKeep 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(lake.id, identity.id, 'store')
  scope: lake
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'ba92f5b4-2d11-453d-a403-e96b0029c9fe')
  }
}

// Log Analytics Reader
resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(logs.id, identity.id, 'logs')
  scope: logs
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '73c42c96-874c-492b-b04d-ab87d138a893')
  }
}

resource night 'Microsoft.App/jobs@2024-03-01' = {
  name: 'fwlens'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environmentId
    configuration: {
      triggerType: 'Schedule'
      // One at a time; what fails is made up for by the next night, which goes on where this one stopped.
      scheduleTriggerConfig: {
        cronExpression: '10 3 * * *'
        parallelism: 1
        replicaCompletionCount: 1
      }
      replicaTimeout: 21600
      replicaRetryLimit: 1
      secrets: [
        {
          name: 'webhook'
          value: webhook
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'fwlens'
          image: image
          command: [
            '/bin/sh'
            '-c'
          ]
          // Exit 3 means that there is something to allow, which is no failure.
          args: [
            'fwlens nightly --workspace "$WORKSPACE" --store "$STORE" --region "$REGION" --reports /reports --log-format json "$NOTIFY" || [ $? -eq 3 ]'
          ]
          env: [
            {
              name: 'AZURE_CLIENT_ID'
              value: identity.properties.clientId
            }
            {
              name: 'NOTIFY'
              value: notify
            }
            {
              name: 'WORKSPACE'
              value: workspace
            }
            {
              name: 'STORE'
              value: store
            }
            {
              name: 'REGION'
              value: region
            }
            {
              name: 'FWLENS_WEBHOOK'
              secretRef: 'webhook'
            }
          ]
          resources: {
            cpu: json('1.0')
            memory: '2Gi'
          }
          volumeMounts: [
            {
              volumeName: 'reports'
              mountPath: '/reports'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'reports'
          storageType: 'AzureFile'
          storageName: reportsStorage
        }
      ]
    }
  }
  dependsOn: [
    mayKeep
    mayRead
  ]
}
